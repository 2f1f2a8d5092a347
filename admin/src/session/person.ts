/** The signed-in person, whatever they may do. */
import { createContext, useContext } from "react";

/** Somebody who is signed in. */
export interface Person {
  /** User id in Supabase Auth. */
  id: string;
  email: string;
}

const PersonContext = createContext<Person | undefined>(undefined);
export const PersonProvider = PersonContext.Provider;

/** The signed-in person. */
export function usePerson(): Person {
  const person = useContext(PersonContext);
  if (!person) throw new Error("usePerson() is for what is shown to signed-in people");
  return person;
}
