-- The way back from 20261121005500_panel_rollouts.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function public.watch_rollout(uuid);
drop function public.plan_of_template(text);
drop function public.count_contacts(timestamptz);
