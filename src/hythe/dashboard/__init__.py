"""`hythe dashboard`: running sessions as a web page on loopback, for the one browser that was given its address.

Theory of operation. One process, one loop. A browser comes in by a token that works once (`admission`); after that every
request has to show a cookie and a key, and that it comes from our own page (`guard`). What the page shows comes by one
stream of server-sent events a page (`streams`), fed by one watcher a session however many pages look (`watching`), and by
packets that are recorded only while somebody looks (`recording`). Nothing is asked of a session when nobody does.
Everything else is a request that is passed on to the session's own API (`app`). `web` holds the page.
"""
