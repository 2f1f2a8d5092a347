/** The session of Supabase Auth, as it begins, is renewed and ends. */
import type { Session } from "@supabase/supabase-js";
import { useEffect, useState } from "react";
import { client, sessionKey } from "../data/client.ts";
import { type Ended, endOf, returnToPlace, watchSignOuts } from "./leave.ts";

/** The session: undefined while loading; null if nobody is signed in. And how the last one ended, if there was one. */
export function useSession(): { session: Session | null | undefined; ended: Ended | undefined } {
  const [session, setSession] = useState<Session | null>();
  const [ended, setEnded] = useState<Ended>();
  useEffect(() => {
    // A session that was stored and is refused when the panel opens has ended too.
    let had = localStorage.getItem(sessionKey()) !== null;
    const take = (session: Session | null) => {
      if (session === null && had) setEnded(endOf());
      had = session !== null;
      setSession(session);
    };
    const unwatch = watchSignOuts();
    client().auth.getSession().then(({ data }) => {
      if (data.session) returnToPlace();
      take(data.session);
    });
    const { data } = client().auth.onAuthStateChange((_event, session) => take(session));
    return () => {
      unwatch();
      data.subscription.unsubscribe();
    };
  }, []);
  return { session, ended };
}
