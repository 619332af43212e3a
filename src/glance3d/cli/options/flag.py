"""A flag that is given or not."""

from typing import Annotated

import tyro

#: Off by default, which needs no "(default: False)" in the help.
Flag = Annotated[bool, tyro.conf.arg(help_behavior_hint="")]
