"""`transfers console`: what operators see and do in a terminal, in a browser, from the same read model.

`server` serves `app`: a middleware (`guard`) lets in whom `identity` proves and `people` names, a `visit` is a request
with what its person may see and do, each module of `pages` has the routes of a part, `acts` asks for what a person
wants done, under that person's own server user, `live` says when a page has changed. No number is computed here: pages
show what `ops.overview`, `ops.listing` and `ops.plans` say, and each number leads to its list (`links`).
"""
