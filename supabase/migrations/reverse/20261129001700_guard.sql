-- The way back from 20261129001700_guard.sql. Nothing is lost.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129001700';

drop function private.guard_progress(jsonb, jsonb, bigint, bigint);
drop function private.guard_take(text, jsonb, integer, jsonb, bigint);
drop function private.guard_judge(private.guard_series, private.guard_series, private.guard_shift, bigint, boolean, boolean, boolean, text, text);
drop type private.guard_taken;
drop type private.guard_state;
drop type private.guard_arms;
drop type private.guard_seen;
drop function private.guard_spans(text, integer, integer, integer, double precision, bigint, bigint);
drop function private.robust_ms(bigint, integer, integer[], integer[], double precision);
drop function private.guard_relax(jsonb);
drop function private.guard_begin(bigint);
drop function private.guard_criteria(public.rollout_stages);
drop function private.sharp_until(public.rollout_stages);
drop function private.guard_watch(public.rollout_stages, boolean);
drop function private.guard_compare(private.guard_shift, bigint, private.guard_places, private.guard_places, boolean, bigint);
drop function private.guard_test(private.guard_series, bigint[], bigint[], bigint, private.guard_tally, private.guard_tally);
drop function private.guard_logs(double precision);
drop function private.guard_blames(private.guard_suspicion, bigint, bigint, bigint, boolean, bigint, bigint);
drop function private.guard_suspects(private.guard_suspicion, bigint, bigint, bigint, bigint);
drop type private.guard_shift;
drop type private.guard_places_of_both;
drop type private.guard_places;
drop type private.guard_series;
drop type private.guard_suspicion;
drop type private.guard_quiet;
drop type private.guard_tally;
drop function private.surely_below(bigint, bigint, double precision);
drop function private.chance_of_so_few(bigint, bigint, double precision);
drop function private.ln_factorial(bigint);
