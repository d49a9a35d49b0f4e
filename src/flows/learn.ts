/** What of a site is learnt where nothing is submitted: only the way to its commands. Each more costs a moment. */
export const NOTHING = {parallelEnvironments: false, resources: false, account: false}
