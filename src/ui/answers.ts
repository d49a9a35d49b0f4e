/** Questions with a usual answer, in the terminal. */
import type {Answer} from '../flows/deps.ts'
import type {Prompter} from '../ssh/prompt.ts'

/** Nothing typed means the usual answer; one of several choices is named by its number or itself. */
export function answerIn(prompter: Prompter, hop: string, signal: AbortSignal): Answer {
  return async (question, usual, choices) => {
    const listed = choices?.map((choice, i) => `  ${i + 1}) ${choice}`) ?? []
    for (;;) {
      const said = (await prompter.ask({text: [question, ...listed, `[${usual}]:`].join('\n'), echo: true, hop, kind: 'confirm'}, signal)).trim()
      const chosen = said === '' ? usual : choices === undefined ? said : (choices.find((choice) => choice === said) ?? choices[Number(said) - 1])
      if (chosen !== undefined) return chosen
    }
  }
}

interface Agreement {
  hop: string
  /** What nothing typed means: `no` where something would be lost, and then only a clear yes counts. */
  usual: 'yes' | 'no'
  signal: AbortSignal
}

/** Whether somebody agrees. */
export async function agreed(prompter: Prompter, question: string, {hop, usual, signal}: Agreement): Promise<boolean> {
  const said = await prompter.ask({text: `${question} ${usual === 'yes' ? '[Y/n]' : '[y/N] '}`, echo: true, hop, kind: 'confirm'}, signal)
  return usual === 'yes' ? !/^\s*n/i.test(said) : /^y(es)?$/i.test(said.trim())
}
