/** Sites where the usual way to the nodes is shut: the next is taken by itself, or the user is told what to ask for. */
import {routesOf} from './routes-session.ts'
import {MAIN} from './routes-table.ts'
import {useLab} from './use-lab.ts'

routesOf(await useLab(), MAIN)
