"""Jobs on a Kubernetes cluster: objects that its API server keeps, watched and never polled."""
