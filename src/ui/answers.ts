/** Questions with a usual answer, in the terminal. */
import type {Answer} from '../flows/init.ts'
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

/** Whether a question is answered with anything but no. */
export async function agreed(prompter: Prompter, question: string, {hop, signal}: {hop: string; signal: AbortSignal}): Promise<boolean> {
  const said = await prompter.ask({text: `${question} [Y/n]`, echo: true, hop, kind: 'confirm'}, signal)
  return !/^\s*n/i.test(said)
}
