"""What a running session tells of itself, and how to ask: places, forms, routes, client.

Every `hythe run` listens on a Unix socket in its user's runtime directory and speaks HTTP there. This folder is what both
ends share: where the sockets lie (`places`), what is said (`model`, to and from JSON by `plain`), under which path
(`routes`, and from them `openapi`), and the asking end (`client`). The answering end is `hythe.gateway.api`.

`places` is read before the first fork of `hythe run`: hence nothing is imported here.
"""
