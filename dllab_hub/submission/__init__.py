"""From words to a `TrainingSpec`: what the magics and the ``dllab`` command share."""

from __future__ import annotations

from .options import add_options, add_wish_options, in_words
from .program import Program, filename_for, from_words, several
from .shared import with_shared
from .submission import Submission, named_by_option, prepare
from .wish import fields_of, rerun_fields, typed_in
from .words import Words, name_for, split_args, valid_name, whole

__all__ = (
    "Program",
    "Submission",
    "Words",
    "add_options",
    "add_wish_options",
    "fields_of",
    "filename_for",
    "from_words",
    "in_words",
    "name_for",
    "named_by_option",
    "prepare",
    "rerun_fields",
    "several",
    "split_args",
    "typed_in",
    "valid_name",
    "whole",
    "with_shared",
)
