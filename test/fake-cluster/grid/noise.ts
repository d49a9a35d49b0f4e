/** What sites and broken networks print around Grid Engine's answers. */

export const QSTAT_DOWN =
  'error: commlib error: got select error (Connection refused)\nerror: unable to send message to qmaster using port 6444 on host "head.local": got send error\n'

/** qsub's answer between messages full of digits, as sites with a submission wrapper print them. */
export function withSiteNotes(answer: string): string {
  return `-----------------------------------------------------------------
      Welcome to the 42 Example Supercomputer 2026
-----------------------------------------------------------------
--> Verifying valid submit host (login2)...OK
--> Verifying availability of your home dir (/home1/01234/user)...OK
${answer}--> Your job used 0 of 5000 hours.
`
}
