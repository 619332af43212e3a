"""Groups of flags that several commands share, each a panel of ``--help``.

A command's ``Options`` has them as fields; the field's name is the panel's title. Each group can
become the noun that the library takes, such as :class:`glance3d.models.ModelSource`, which refuses
what cannot be when it is made. Nothing here imports torch before that.
"""
