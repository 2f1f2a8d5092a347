-- The way back from 20261129002910_oncall.sql. It drops the schedules with their rotas: print them with `gatelink oncall list --json` first.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002910';

drop function
  public.add_oncall(jsonb),
  public.set_oncall_person(jsonb),
  public.remove_oncall_person(jsonb),
  public.override_oncall(text, jsonb, timestamptz, timestamptz),
  public.remove_oncall(text, uuid),
  private.add_oncall_layer(public.oncall_schedules, jsonb),
  private.oncall_schedule(text),
  private.oncall_person(jsonb),
  private.oncall_shown(text, text),
  private.rota_shifts(uuid, timestamptz, timestamptz),
  private.rota_person(uuid, timestamptz),
  private.layer_person(private.oncall_layers, text, timestamptz);
drop table private.oncall_overrides, private.oncall_layers, public.oncall_schedules, private.oncall_people;
