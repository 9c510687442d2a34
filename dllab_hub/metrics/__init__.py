"""What the GPUs of this machine do: `nvml` reads them, `sampler` reads them once for everybody."""
