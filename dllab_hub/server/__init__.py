"""The REST interface: the same routes in the lab service and in a lab's Jupyter server."""
