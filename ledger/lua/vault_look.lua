-- vault_look: what stands there, without taking it; of a tombstone also whose it is.
--
-- Replies  kind epoch nonce

local kind, kept, rest = look()
return reply(kind, number(kept), kind == 'tombstone' and rest or '')
