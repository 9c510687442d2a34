"""Hugging Face's Trainer on random data: it saves by itself, where it is told to."""

import os
import sys
import time

import torch
from transformers import Trainer, TrainerCallback, TrainingArguments

from dllab_hub.runtime.resume import newest

STEPS, EVERY = int(sys.argv[1]), int(os.environ["DLLAB_CHECKPOINT_EVERY"])


class Data(torch.utils.data.Dataset):
    def __len__(self):
        return 400

    def __getitem__(self, n):
        x = torch.randn(16, generator=torch.Generator().manual_seed(n))
        return {"x": x, "labels": x.sum().reshape(1)}


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(16, 32), torch.nn.Dropout(0.1), torch.nn.Tanh(), torch.nn.Linear(32, 1)
        )

    def forward(self, x, labels):
        return {"loss": ((self.layers(x) - labels) ** 2).mean()}


class Slow(TrainerCallback):
    def on_step_end(self, args, state, control, **_):
        time.sleep(0.05)


torch.manual_seed(1)
arguments = TrainingArguments(
    output_dir=os.environ["DLLAB_CHECKPOINT_DIR"],
    save_steps=EVERY,
    save_total_limit=3,
    max_steps=STEPS,
    per_device_train_batch_size=8,
    learning_rate=0.01,
    logging_steps=STEPS,
    report_to=[],
    use_cpu=True,
    ddp_backend="gloo" if "RANK" in os.environ else None,
    disable_tqdm=True,
)
trainer = Trainer(Net(), arguments, train_dataset=Data(), callbacks=[Slow()])
found = newest("huggingface")
if trainer.is_world_process_zero():
    print("FROM", 0 if found is None else found.rpartition("-")[2], flush=True)
trainer.train(resume_from_checkpoint=found)
net = trainer.model.eval()
batch = [Data()[n] for n in range(64)]
with torch.no_grad():
    loss = net(torch.stack([b["x"] for b in batch]), torch.stack([b["labels"] for b in batch]))
if trainer.is_world_process_zero():
    print("FINAL", repr(loss["loss"].item()), flush=True)
