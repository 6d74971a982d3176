"""`hythe forward`: ports, Unix sockets and datagrams carried through a way, as `ssh -L -R -D` does.

`specs` reads what is to be forwarded, `places` binds this machine's ends, `local` and `remote` carry what comes to either
end, `tunnel` keeps one way up with all its forwards, `file` reads many from TOML, `service` is what init systems want.
"""
