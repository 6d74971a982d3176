"""`hythe live`: what `view.watch` knows, on a terminal, by textual.

`cells`, `columns`, `logs` and `trail` are texts and numbers alone, `changing` what is asked of a session; `lines`, `detail`
and `dialogs` are what is seen; `app` asks the source every second, and knows the keys.
"""
