/** The palette: finds everything that the panel shows, and does the most urgent things with it. */
import { Group, Kbd, Modal, Text, TextInput, useMantineColorScheme, VisuallyHidden } from "@mantine/core";
import { useDebouncedValue, useMediaQuery } from "@mantine/hooks";
import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef, useState } from "react";
import type { SearchHit } from "../../../../supabase/functions/_shared/contract/answers/search.ts";
import { useRpc } from "../../data/query.ts";
import { signOut } from "../../session/leave.ts";
import { useMe } from "../../session/me.tsx";
import { Icon, type IconName } from "../../ui/icons.tsx";
import { navigate } from "../../ui/location.ts";
import { State } from "../../ui/State.tsx";
import { useActions, verbIn, VERBS } from "./actions.ts";
import { aboutOf, labelOf, lookOf, stateOf } from "./hits.ts";
import { isFor, matches, NEW, type Place, places } from "./places.ts";
import classes from "./Palette.module.css";

/** A line of the palette. */
interface Item {
  id: string;
  group: string;
  label: string;
  about?: string | null;
  icon: IconName;
  end?: ReactNode;
  /** What it does; the palette is closed first. */
  run?: () => void;
  /** What it types, if it does nothing yet. */
  completes?: string;
}

/** Beyond so many keystrokes a search is asked, in milliseconds after the last. */
const PAUSE_MS = 120;
/** Hits whose actions are offered beside them without a verb. */
const ACTED = 3;

export default function Palette({ opened, close }: { opened: boolean; close: () => void }) {
  const narrow = useMediaQuery("(max-width: 48em)", false, { getInitialValueInEffect: false });
  // After something was chosen the page has the focus, not the button that opened the palette.
  const [isChosen, setChosen] = useState(false);
  useEffect(() => {
    if (opened) setChosen(false);
  }, [opened]);
  const choose = (run: () => void) => {
    setChosen(true);
    (document.activeElement as HTMLElement | null)?.blur();
    close();
    run();
  };
  return (
    <Modal
      opened={opened}
      onClose={close}
      withCloseButton={narrow}
      closeButtonProps={{ "aria-label": "Close" }}
      title={narrow ? "Search" : undefined}
      attributes={{ content: { "aria-label": "Search" } }}
      fullScreen={narrow}
      size="lg"
      yOffset="10vh"
      padding={narrow ? "md" : 0}
      returnFocus={!isChosen}
      transitionProps={{ duration: 0 }}
    >
      <Finder choose={choose} />
    </Modal>
  );
}

function Finder({ choose }: { choose: (run: () => void) => void }) {
  const [query, setQuery] = useState("");
  const [asked] = useDebouncedValue(query, PAUSE_MS);
  const { items, isSearching, failed } = useItems(query, asked);
  const [at, setAt] = useState(0);
  useEffect(() => setAt(0), [query]);
  const active = items.length === 0 ? -1 : Math.min(at, items.length - 1);
  const list = useId();
  const shown = useRef<HTMLDivElement>(null);
  useEffect(() => {
    shown.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  }, [active, items.length]);

  const take = ({ run, completes }: Item) => {
    if (completes !== undefined) setQuery(completes);
    else if (run) choose(run);
  };
  const press = (event: KeyboardEvent) => {
    const to = event.key === "ArrowDown"
      ? (active + 1) % Math.max(items.length, 1)
      : event.key === "ArrowUp"
      ? (active - 1 + items.length) % Math.max(items.length, 1)
      : undefined;
    if (to !== undefined) {
      event.preventDefault();
      setAt(to);
    } else if (event.key === "Enter" && !event.nativeEvent.isComposing && items[active]) {
      event.preventDefault();
      take(items[active]);
    }
  };
  const groups = [...new Set(items.map(({ group }) => group))];
  return (
    <div className={classes.palette}>
      <TextInput
        data-autofocus
        size="md"
        variant="unstyled"
        className={classes.field}
        leftSection={<Icon name="search" size={18} />}
        placeholder="Search, or do: “turn off …”, “pause …”"
        role="combobox"
        aria-label="Search everything"
        aria-expanded={items.length > 0}
        aria-controls={list}
        aria-autocomplete="list"
        aria-activedescendant={active < 0 ? undefined : `${list}-${active}`}
        autoComplete="off"
        spellCheck={false}
        maxLength={200}
        value={query}
        onChange={({ currentTarget: { value } }) => setQuery(value)}
        onKeyDown={press}
      />
      <VisuallyHidden role="status">
        {isSearching ? "Searching" : items.length === 1 ? "1 result" : `${items.length} results`}
      </VisuallyHidden>
      <div ref={shown} id={list} role="listbox" aria-label="Results" className={classes.list}>
        {groups.map((group) => (
          <div key={group} role="group" aria-label={group}>
            <div className={classes.group} aria-hidden="true">{group}</div>
            {items.map((item, index) =>
              item.group === group && (
                <div
                  key={item.id}
                  id={`${list}-${index}`}
                  role="option"
                  aria-selected={index === active}
                  className={classes.item}
                  onMouseMove={() => index !== active && setAt(index)}
                  onClick={() => take(item)}
                >
                  <Icon name={item.icon} size={18} />
                  <span className={classes.words}>
                    <span className={classes.label} dir="auto">{item.label}</span>
                    {item.about && <span className={classes.about} dir="auto">{item.about}</span>}
                  </span>
                  {item.end}
                </div>
              )
            )}
          </div>
        ))}
      </div>
      {items.length === 0 && (
        <Text size="sm" c="dimmed" p="md">
          {failed ?? (isSearching
            ? "Searching…"
            : "Nothing found. Search for a name, a key, a code, a number, or the last four digits of a phone number.")}
        </Text>
      )}
      <Group gap="md" className={classes.foot} visibleFrom="sm">
        <span>
          <Kbd size="xs">↑</Kbd> <Kbd size="xs">↓</Kbd> choose
        </span>
        <span>
          <Kbd size="xs">Enter</Kbd> open
        </span>
        <span>
          <Kbd size="xs">Esc</Kbd> close
        </span>
      </Group>
    </div>
  );
}

/** The lines for what is typed. `asked` is what the database is asked for, a moment later. */
function useItems(query: string, asked: string): { items: Item[]; isSearching: boolean; failed?: string } {
  const me = useMe();
  const { setColorScheme } = useMantineColorScheme();
  const actionsOf = useActions();
  const doing = verbIn(query);
  const wanted = (doing?.rest ?? query).trim();
  const askedFor = (verbIn(asked)?.rest ?? asked).trim();
  const enabled = askedFor !== "" || verbIn(asked) !== undefined;
  const found = useRpc("search_everything", { p_query: askedFor }, { every: false, enabled });
  const isCurrent = wanted === askedFor && !found.isPlaceholderData;
  const hits = enabled && isCurrent ? found.data ?? [] : [];
  const isSearching = (query.trim() !== "" || doing !== undefined) && !found.isError &&
    (!isCurrent || found.isLoading);

  const acts = (of: readonly SearchHit[], verb?: string): Item[] =>
    of.flatMap((hit) =>
      actionsOf(hit).filter((one) => verb === undefined || one.verb === verb).map((one) => ({
        id: `${one.verb} ${hit.kind} ${hit.id}`,
        group: "Actions",
        label: `${one.verb.charAt(0).toUpperCase()}${one.verb.slice(1)} ${labelOf(hit)}`,
        about: lookOf(hit).group.replace(/s$/, ""),
        icon: one.icon,
        run: one.run,
      }))
    );
  const failed = found.isError ? found.error.message : undefined;
  if (doing) return { items: acts(hits, doing.verb), isSearching, failed };

  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  const place = (group: string) => (one: Place): Item => ({
    id: `${group} ${one.to} ${one.label}`,
    group,
    label: one.label,
    icon: one.icon,
    run: () => navigate(one.to),
  });
  const also: Item[] = [
    { label: "Light colours", icon: "sun", run: () => setColorScheme("light") },
    { label: "Dark colours", icon: "moon", run: () => setColorScheme("dark") },
    { label: "Colours of the system", icon: "auto", run: () => setColorScheme("auto") },
    { label: "Sign out", icon: "leave", run: () => void signOut() },
  ].map((one) => ({ ...one, id: one.label, group: "Actions" } as Item));
  // Pages that are only found by other words than their own come after what is called so.
  const led = places().filter((one) => matches(one, words));
  const isNamed = ({ label }: Place) => matches({ label }, words);
  const pages = led.filter(isNamed).map(place("Pages"));
  const otherPages = led.filter((one) => !isNamed(one)).map(place("Pages"));
  const made = NEW.filter((one) => isFor(me, one) && matches(one, words)).map(place("Actions"));
  if (words.length === 0) return { items: [...pages, ...made], isSearching: false };
  const things = hits.map((hit): Item => {
    const { group, icon, to } = lookOf(hit);
    const state = stateOf(hit);
    return {
      id: `${hit.kind} ${hit.id}`,
      group,
      label: labelOf(hit),
      about: aboutOf(hit),
      icon,
      end: state && <State size="sm" tone={state.tone}>{state.words}</State>,
      run: () => navigate(to(hit)),
    };
  });
  const verbs = me.role === "viewer"
    ? []
    : VERBS.filter((verb) => verb.startsWith(wanted.toLowerCase())).map((
      verb,
    ): Item => ({
      id: `verb ${verb}`,
      group: "Actions",
      label: `${verb.charAt(0).toUpperCase()}${verb.slice(1)} …`,
      icon: "next",
      completes: `${verb} `,
    }));
  return {
    items: inGroups([
      ...pages,
      ...things,
      ...made,
      ...acts(hits.slice(0, ACTED)),
      ...verbs,
      ...otherPages,
      ...also.filter((one) => matches(one, words)),
    ]),
    isSearching,
    failed,
  };
}

/** The lines with those of one group together, groups in the order of their first line: as they are shown. */
function inGroups(items: readonly Item[]): Item[] {
  const groups = [...new Set(items.map(({ group }) => group))];
  return groups.flatMap((group) => items.filter((item) => item.group === group));
}
