/**
 * What is saved of a session. Facts only: status is derived at each look (status.ts) and never saved.
 * The same facts lie on the cluster (`~/.jnode/sessions/NAME/session.json`), so that another computer can take over;
 * there without `token` (a file of its own beside it) and without `cluster` and `hops` (the way from this computer).
 */
import * as z from 'zod'

const targetSchema = z.object({user: z.string().nullable(), host: z.string(), port: z.number().int().nullable()})

const endpointSchema = z.discriminatedUnion('kind', [
  z.object({kind: z.literal('socket'), path: z.string()}),
  z.object({kind: z.literal('tcp'), host: z.string(), port: z.number().int()}),
])

const sharedShape = {
  /** Raised when an older jnode could misread the file. */
  version: z.literal(1),
  /** Random, 32 hex digits: tells two sessions of the same name apart. */
  id: z.string(),
  name: z.string(),
  /** `user@head`, as shown to people. */
  host: z.string(),
  /** Null from before qsub until its answer was read. */
  jobId: z.string().nullable(),
  /** Grid Engine's job name: finds the job when qsub's answer was lost, and tells a reused job number from ours. */
  jobName: z.string(),
  slots: z.number().int(),
  /** Requested for the whole session. */
  memoryBytes: z.number().nullable(),
  /** Wall-clock limit in seconds: what was asked for; once the job runs, the shortest of all that hold for it. */
  runSeconds: z.number().int().nullable(),
  app: z.string(),
  /** Absolute path of the session's directory on the cluster. */
  remoteDir: z.string(),
  /** ISO 8601, this computer's clock. */
  submittedAt: z.string(),
  /** ISO 8601: when the job was first seen running, by this computer's clock. */
  startedAt: z.string().nullable(),
  localPort: z.number().int().nullable(),
  /** The route that was asked for, where the choice was not left to jnode. */
  route: z.string().optional(),
  /** Page to open below the server's base URL, e.g. `lab`. */
  page: z.string(),
  /** The GPUs that the job was given, in the words of its environment. */
  gpus: z.string().nullable().default(null),
  /** What the kernels listen on: private sockets, or TCP ports of the node. Left out by versions of jnode whose kernels all used ports. */
  kernelTransport: z.enum(['ipc', 'tcp']).optional(),
}

export const sharedFactsSchema = z.looseObject(sharedShape)

export const sessionFactsSchema = z.looseObject({
  ...sharedShape,
  /** The cluster's name here: a key of config.toml, or `[user@]host[:port]`. */
  cluster: z.string(),
  /** How to get there again; an empty list of hops means that Grid Engine is on this machine. */
  hops: z.array(targetSchema),
  token: z.string(),
  /** The machine that the head node's name meant, where it may stand for several. */
  headAddress: z.string().optional(),
  /** Set for a Jupyter job that jnode did not start: all that is known of its server. There is no `remoteDir` then. */
  foreign: z.object({node: z.string(), endpoint: endpointSchema, baseUrl: z.string(), secure: z.boolean()}).optional(),
})

export type SharedFacts = z.infer<typeof sharedFactsSchema>
export type SessionFacts = z.infer<typeof sessionFactsSchema>

/** What goes to the cluster: no token, nothing of this computer. */
export function sharedPart(facts: SessionFacts): SharedFacts {
  return sharedFactsSchema.parse(Object.fromEntries(Object.keys(sharedShape).map((key) => [key, facts[key]])))
}
