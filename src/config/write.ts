/** Writing config.toml: the user's own file, one cluster of it. */
import {realpath, stat} from 'node:fs/promises'
import {JnodeError, messageOf} from '../errors.ts'
import {replaceFile} from '../replace-file.ts'
import {withCluster, withDefaultCluster, type LearntLine} from './edit.ts'
import {parseLayer, readText} from './load.ts'

export interface ClusterToWrite {
  name: string
  lines: readonly LearntLine[]
}

export interface WrittenConfig {
  /** The new text of the file. */
  text: string
  /** The cluster's own table in it. */
  table: string
  /** Keys that the user had set and that stay as they are. */
  kept: string[]
  /** The cluster that is now named as default, since a second one would make it unclear which is meant. */
  newDefault: string | null
}

/** What the file would be with this cluster. Nothing is written. Throws `config`. */
export async function configWith(file: string, {name, lines}: ClusterToWrite): Promise<WrittenConfig> {
  const before = (await readText(file)) ?? ''
  const {text, table, kept} = withCluster(before, name, lines, file)
  const {clusters, defaultCluster} = parseLayer(before, file)
  const [only, ...others] = [...clusters.keys()]
  const newDefault = defaultCluster === null && only !== undefined && others.length === 0 && only !== name ? only : null
  const whole = newDefault === null ? text : withDefaultCluster(text, newDefault, 'it was the only one when the second came')
  parseLayer(whole, file)
  return {text: whole, table, kept, newDefault}
}

/** Puts the text in the place of the file, or of the one that a link leads to. Throws `config`. */
export async function writeConfig(file: string, text: string): Promise<void> {
  try {
    const real = await realpath(file).catch(() => file)
    const mode = await stat(real).then((there) => there.mode & 0o777, () => 0o600)
    await replaceFile(real, text, mode)
  } catch (cause) {
    throw new JnodeError('config', `${file} cannot be written: ${messageOf(cause)}`, {hint: 'Check that you may write there and that the disk is not full. Nothing was changed.', cause})
  }
}
