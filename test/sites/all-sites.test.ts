/** Each of the 270 combinations of all-sites.ts, once: a running cell, or one sentence that names what to ask the admins for. */
import {routesOf} from '../cluster/routes-session.ts'
import {useLab} from '../cluster/use-lab.ts'
import {ALL_SITES} from './all-sites.ts'

routesOf(await useLab(), ALL_SITES)
