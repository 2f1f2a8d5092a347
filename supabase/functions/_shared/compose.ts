/**
 * What the functions of one isolate share: the pipeline over the channels that are deployed.
 *
 * @module
 */
import { channels } from "./channels/all.ts";
import { composePipeline } from "./pipeline/compose.ts";

/** The pipeline of this isolate. */
export const pipeline = composePipeline(channels);
