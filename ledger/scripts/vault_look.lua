-- vault_look: what stands there, without taking it.
--
-- Replies  kind epoch

local kind, kept = look()
return {kind, number(kept)}
