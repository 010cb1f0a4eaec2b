-- vault_look: what stands there, without taking it; of a tombstone also whose it is, of a blob its tag.
--
-- Replies  kind epoch nonce-or-tag

local kind, kept, rest = look()
return reply(kind, number(kept), rest)
