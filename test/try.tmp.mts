import {upLab} from './cluster/lab.ts'
import {readFileSync} from 'node:fs'
const lab = await upLab('h5')
const r = await lab.exec('laptop','alice', readFileSync('/tmp/w/H5-try.sh','utf8'), {timeoutMs: 110000})
console.log(r.stdout, '-----', r.stderr)
