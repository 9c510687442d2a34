"""JupyterHub's side: the form, the spawner, the lab service."""
