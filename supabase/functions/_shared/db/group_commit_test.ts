import { assertEquals, assertInstanceOf, assertRejects } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { Problem } from "../http/problem.ts";
import { DbError } from "./client.ts";
import { groupCommit, type GroupCommitOptions } from "./group_commit.ts";
import { assertTimes } from "../../../../tests/support/growth.ts";
import { holds } from "../../../../tests/support/property.ts";

/** A commit that the test lets end when it likes. */
function gated() {
  const groups: number[][] = [];
  const ends: (() => void)[] = [];
  return {
    groups,
    end: () => ends.shift()!(),
    commit(items: number[]): Promise<string[]> {
      groups.push(items);
      return new Promise((resolve) => ends.push(() => resolve(items.map((item) => `r${item}`))));
    },
  };
}

const turn = () => new Promise((resolve) => setTimeout(resolve));

Deno.test("groupCommit() commits at once when idle; items that arrive meanwhile are committed together", async () => {
  const { commit, groups, end } = gated();
  const store = groupCommit({ commit, maxItems: 100, maxQueued: 100 });
  const first = store(1);
  await Promise.resolve();
  assertEquals(groups, [[1]]);
  const rest = [2, 3, 4].map(store);
  await turn();
  assertEquals(groups, [[1]]);
  end();
  assertEquals(await first, "r1");
  await turn();
  assertEquals(groups, [[1], [2, 3, 4]]);
  end();
  assertEquals(await Promise.all(rest), ["r2", "r3", "r4"]);
});

Deno.test("groupCommit() puts all items of one turn into one group", async () => {
  const { commit, groups, end } = gated();
  const store = groupCommit({ commit, maxItems: 100, maxQueued: 100 });
  const all = Promise.all([1, 2, 3].map(store));
  await turn();
  assertEquals(groups, [[1, 2, 3]]);
  end();
  assertEquals(await all, ["r1", "r2", "r3"]);
});

Deno.test("groupCommit() starts a parallel group only if worthwhile, and never leaves an item behind", async () => {
  const { commit, groups, end } = gated();
  const store = groupCommit({ commit, maxItems: 100, maxQueued: 100, inFlight: 2, worthBeside: 3 });
  const first = store(1);
  await turn();
  const few = [2, 3].map(store);
  await turn();
  assertEquals(groups, [[1]]);
  few.push(store(4));
  await turn();
  assertEquals(groups, [[1], [2, 3, 4]]);
  const last = store(5);
  end();
  await first;
  await turn();
  assertEquals(groups.length, 2, "one item waits while a group is under way");
  end();
  await Promise.all(few);
  await turn();
  assertEquals(groups, [[1], [2, 3, 4], [5]]);
  end();
  await last;
});

Deno.test("groupCommit() respects maxItems, maxBytes and inFlight; a giant item is committed alone", async () => {
  const { commit, groups, end } = gated();
  const store = groupCommit({
    commit,
    maxItems: 3,
    maxQueued: 100,
    size: (n) => n,
    maxBytes: 10,
    inFlight: 2,
  });
  const all = Promise.all([1, 1, 1, 1, 50, 6, 4, 1].map(store));
  await turn();
  assertEquals(groups.length, 2);
  while (groups.length < 5) {
    end();
    await turn();
  }
  assertEquals(groups, [[1, 1, 1], [1], [50], [6, 4], [1]]);
  end(), end();
  assertEquals((await all).length, 8);
});

Deno.test("groupCommit() refuses items when the queue is full, and accepts them once it has room", async () => {
  const { commit, end } = gated();
  const store = groupCommit({ commit, maxItems: 2, maxQueued: 2 });
  const first = store(1);
  await turn();
  const queued = [store(2), store(3)];
  const problem = await assertRejects(() => store(4), Problem);
  assertEquals([problem.code, problem.headers["retry-after"]], ["overloaded", "2"]);
  end();
  await first;
  await turn();
  const later = store(5);
  end();
  await Promise.all(queued);
  await turn();
  end();
  assertEquals(await later, "r5");
});

Deno.test("groupCommit() limits the queue by size, but always accepts one item", async () => {
  const { commit, end } = gated();
  const store = groupCommit({ commit, maxItems: 9, maxQueued: 9, size: (n) => n, maxQueuedBytes: 10 });
  const first = store(1);
  await turn();
  const giant = store(50);
  assertEquals((await assertRejects(() => store(1), Problem)).code, "overloaded");
  end();
  await first;
  await turn();
  end();
  assertEquals(await giant, "r50");
});

Deno.test("groupCommit(): a wrong number of results is an error for all, not an answer for some", async () => {
  const store = groupCommit<number, number>({
    commit: () => Promise.resolve([1]),
    maxItems: 9,
    maxQueued: 9,
  });
  for (const result of await Promise.allSettled([1, 2].map(store))) {
    assertInstanceOf((result as PromiseRejectedResult).reason, TypeError);
  }
});

Deno.test("groupCommit(): a commit that throws synchronously rejects its callers only", async () => {
  let broken = true;
  const commit = (items: number[]) => {
    if (broken) throw new Problem("database_unavailable");
    return Promise.resolve(items);
  };
  const store = groupCommit({ commit, maxItems: 9, maxQueued: 9 });
  await assertRejects(() => store(1), Problem);
  broken = false;
  assertEquals(await store(2), 2);
});

/** What a test system does: items arrive, some poisoned; commits take turns; the database is away at times. */
const worlds = fc.record({
  arrivals: fc.array(
    fc.record({ poisoned: fc.integer({ min: 0, max: 9 }).map((n) => n === 0), pause: fc.boolean() }),
    {
      minLength: 1,
      maxLength: 60,
    },
  ),
  outages: fc.array(fc.boolean(), { maxLength: 40 }),
  maxItems: fc.integer({ min: 1, max: 20 }),
  inFlight: fc.integer({ min: 1, max: 3 }),
});

Deno.test("groupCommit(): each caller gets its own answer; each item is stored at most once, and only if its caller is told so", async () => {
  await holds(
    fc.asyncProperty(worlds, async ({ arrivals, outages, maxItems, inFlight }) => {
      const stored: number[] = [];
      let commits = 0, under = 0, most = 0;
      const options: GroupCommitOptions<number, string> = {
        maxItems,
        inFlight,
        maxQueued: 1000,
        async commit(items) {
          most = Math.max(most, ++under);
          const away = outages[commits++] ?? false;
          await turn();
          under--;
          assertEquals(items.length > 0 && items.length <= maxItems, true);
          if (away) throw new Problem("database_unavailable");
          if (items.some((item) => arrivals[item].poisoned)) throw new DbError("f", "22P02", "bad item");
          stored.push(...items);
          return items.map((item) => `stored ${item}`);
        },
      };
      const store = groupCommit(options);
      const promises: Promise<string>[] = [];
      for (const [item, { pause }] of arrivals.entries()) {
        const promise = store(item);
        promise.catch(() => {});
        promises.push(promise);
        if (pause) await turn();
      }
      const results = await Promise.allSettled(promises);
      for (const [item, result] of results.entries()) {
        assertEquals(stored.filter((other) => other === item).length, result.status === "fulfilled" ? 1 : 0);
        if (result.status === "fulfilled") assertEquals(result.value, `stored ${item}`);
        else if (result.reason instanceof DbError) assertEquals(arrivals[item].poisoned, true); // never its neighbour's fault
        else assertInstanceOf(result.reason, Problem);
        if (!outages.includes(true)) assertEquals(result.status === "fulfilled", !arrivals[item].poisoned);
      }
      assertEquals(most <= inFlight, true);
      if (inFlight === 1) assertEquals(stored, [...stored].sort((a, b) => a - b));
    }),
    { cases: 200 },
  );
});

Deno.test("groupCommit(): one bad item among 1,000 costs about 2 log2(1,000) further commits", async () => {
  let commits = 0;
  const store = groupCommit<number, number>({
    maxItems: 1000,
    maxQueued: 1000,
    commit(items) {
      commits++;
      if (items.includes(617)) return Promise.reject(new DbError("f", "22P02", "bad item"));
      return Promise.resolve(items);
    },
  });
  const results = await Promise.allSettled(Array.from({ length: 1000 }, (_, item) => store(item)));
  assertEquals(results.flatMap(({ status }, item) => status === "rejected" ? [item] : []), [617]);
  assertEquals(commits <= 21, true, String(commits));
});

Deno.test("groupCommit(): errors that no item caused are not retried, and no retry lasts forever", async () => {
  for (const [code, most] of [["PGRST202", 1], ["42501", 1], ["", 1], ["22P02", 128]] as const) {
    let commits = 0;
    const store = groupCommit<number, number>({
      maxItems: 1000,
      maxQueued: 1000,
      commit() {
        commits++;
        return Promise.reject(new DbError("f", code, "no"));
      },
    });
    const results = await Promise.allSettled(Array.from({ length: 1000 }, (_, item) => store(item)));
    assertEquals(results.every(({ status }) => status === "rejected"), true);
    assertEquals(commits <= most, true, `${code}: ${commits} commits`);
  }
});

Deno.test("groupCommit(): a queue of many thousands is served in order and in linear time", async () => {
  const size = 100_000;
  await assertTimes(5, async () => {
    const stored: number[] = [];
    const store = groupCommit<number, number>({
      maxItems: 50,
      maxQueued: 200_000,
      commit(items) {
        stored.push(...items);
        return Promise.resolve(items);
      },
    });
    await Promise.all(Array.from({ length: size }, (_, item) => store(item)));
    assertEquals([stored.length, stored.every((item, i) => item === i)], [size, true]);
  }, () => {
    // As many promises that nothing gathers.
    const each = (_: unknown, item: number) => new Promise((resolve) => queueMicrotask(() => resolve(item)));
    return Promise.all(Array.from({ length: size }, each));
  });
});
