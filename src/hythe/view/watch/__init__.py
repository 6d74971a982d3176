"""What views that follow a session keep of it: fed with (now, changes), they know rates, histories, what came and went.

No I/O and no clock: `model` is told what `GET /changes` says, and when; `series` are bounded histories; `arrange` sorts and
filters; `source` is the one that asks.
"""
