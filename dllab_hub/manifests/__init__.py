"""What runs on a cluster, as Kubernetes has it: pure functions from a wish to its manifest."""
