/**
 * What is saved of a session. Facts only: status is derived at each look (status.ts) and never saved.
 * The same facts lie on the cluster (`~/.jnode/sessions/NAME/session.json`), so that another computer can take over;
 * there without `token` (a file of its own beside it) and without `cluster` and `hops` (the way from this computer).
 */
import * as z from 'zod'
import {LABEL} from '../origin.ts'
import {isAddress, isAppName, isHostName, isJobNumber, isLine, isPage, isPath, isPort, isSessionName, isTimestamp, isUrlPath, isWord} from '../rules.ts'
import {hostIsUnsafe, userIsUnsafe} from '../target.ts'

const text = (rule: (value: string) => boolean) => z.string().refine(rule)
const count = (most: number) => z.number().int().min(0).max(most)
const port = z.number().refine(isPort)

/** What the user typed, by ssh's rule for it. */
const targetSchema = z.object({user: text((user) => !userIsUnsafe(user)).nullable(), host: text((host) => host !== '' && !hostIsUnsafe(host)), port: port.nullable()})

const endpointSchema = z.discriminatedUnion('kind', [
  z.object({kind: z.literal('socket'), path: text(isPath)}),
  z.object({kind: z.literal('tcp'), host: text(isHostName), port}),
])

const sharedShape = {
  /** Raised when an older jnode could misread the file. */
  version: z.literal(1),
  /** Random, 32 hex digits: tells two sessions of the same name apart. */
  id: z.string().regex(/^[0-9a-f]{32}$/),
  name: text(isSessionName),
  /** `user@head`, as shown to people. */
  host: text(isLine),
  /** Null from before qsub until its answer was read. */
  jobId: text(isJobNumber).nullable(),
  /** Grid Engine's job name: finds the job when qsub's answer was lost, and tells a reused job number from ours. */
  jobName: text(isLine),
  slots: count(10_000_000),
  /** Requested for the whole session. */
  memoryBytes: z.number().min(0).nullable(),
  /** Wall-clock limit in seconds: what was asked for; once the job runs, the shortest of all that hold for it. */
  runSeconds: count(10_000_000_000).nullable(),
  app: text(isAppName),
  /** Absolute path of the session's directory on the cluster. */
  remoteDir: text(isPath),
  /** ISO 8601, this computer's clock. */
  submittedAt: text(isTimestamp),
  /** ISO 8601: when the job was first seen running, by this computer's clock. */
  startedAt: text(isTimestamp).nullable(),
  localPort: port.nullable(),
  /** The label of its origin on the computer that started it, for others to use as well; one that is no label counts for nothing. */
  origin: z.string().regex(LABEL).optional().catch(undefined),
  /** The route that was asked for, where the choice was not left to jnode. */
  route: text(isWord).optional(),
  /** Page to open below the server's base URL, e.g. `lab`. */
  page: text(isPage),
  /** The GPUs that the job was given, in the words of its environment. */
  gpus: text(isLine).nullable().default(null),
  /** What the kernels listen on: private sockets, or TCP ports of the node. Left out by versions of jnode whose kernels all used ports. */
  kernelTransport: z.enum(['ipc', 'tcp']).optional(),
}

/** Of what a cluster's file says more, nothing is taken: it could stand for what only this computer knows. */
export const sharedFactsSchema = z.object(sharedShape)

export const sessionFactsSchema = z.looseObject({
  ...sharedShape,
  /** The cluster's name here: a key of config.toml, or `[user@]host[:port]`. */
  cluster: text((name) => name !== '' && isLine(name)),
  /** How to get there again; an empty list of hops means that Grid Engine is on this machine. */
  hops: z.array(targetSchema),
  token: text(isLine),
  /** The machine that the head node's name meant, where it may stand for several. Only a memory: one that makes no sense is none. */
  headAddress: text(isAddress).optional().catch(undefined),
  /** Set for a Jupyter job that jnode did not start: all that is known of its server. There is no `remoteDir` then. */
  foreign: z.object({node: text(isHostName), endpoint: endpointSchema, baseUrl: text(isUrlPath), secure: z.boolean()}).optional(),
  id: z.string().regex(/^(?:[0-9a-f]{32}|foreign-[\w.-]+)$/),
  remoteDir: text((path) => path === '' || isPath(path)),
})

/** A token that jnode has made. */
export function isToken(token: string): boolean {
  return /^[\w-]{1,256}$/.test(token)
}

export type SharedFacts = z.infer<typeof sharedFactsSchema>
export type SessionFacts = z.infer<typeof sessionFactsSchema>

/** What goes to the cluster: no token, nothing of this computer. */
export function sharedPart(facts: SessionFacts): SharedFacts {
  return Object.fromEntries(Object.keys(sharedShape).map((key) => [key, facts[key]])) as SharedFacts
}
