-- vault_count: which run of the server this is, and how many writes it has seen.
--
-- Replies  OK

run()
return reply('OK')
