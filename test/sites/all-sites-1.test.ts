/** The first third of all-sites.ts. */
import {routesOf} from '../cluster/routes-session.ts'
import {useLab} from '../cluster/use-lab.ts'
import {thirdOfAllSites} from './all-sites.ts'

routesOf(await useLab(), thirdOfAllSites(1))
