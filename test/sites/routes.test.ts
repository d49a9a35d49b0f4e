/** All the other sites of docs/routes.md; the main ones are in test/cluster/routes.test.ts. */
import {routesOf} from '../cluster/routes-session.ts'
import {OTHERS} from '../cluster/routes-table.ts'
import {useLab} from '../cluster/use-lab.ts'

routesOf(await useLab(), OTHERS)
