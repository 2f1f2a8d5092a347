/** Types that the panel borrows from the functions lead past modules that only run there; none of them is bundled. */
declare module "node:crypto";
declare module "node:fs";
declare module "node:path";
declare module "node:url";
