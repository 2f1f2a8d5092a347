-- The way back from 20261121003600_rollout_forecast.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function public.forecast_rollout(text, jsonb, numeric, numeric, timestamptz);
drop function private.forecast_stage(jsonb, text, double precision, double precision, timestamptz);
drop function private.minutes_to_catch(double precision, double precision, double precision, double precision, double precision);
drop function private.samples_needed(double precision, double precision);
drop function private.recent_traffic(text, integer, timestamptz);
