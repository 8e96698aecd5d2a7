"""An inbox: folders with a job.sh that anybody puts there are run, and found again in completed/.

`root/inbox`, `root/pending` and `root/completed` are all there is to know: `pending` is a run that
never ends, whose jobs come and go. A folder is renamed from one into the next, so it is always
whole in just one of them.
"""
