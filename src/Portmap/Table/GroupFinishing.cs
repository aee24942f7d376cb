namespace Portmap.Table;

/// <summary>How a group of pending leases comes to its end, whoever began it.</summary>
/// <remarks>Progress: lock-free, as <see cref="Finishing"/>: a step fails only because somebody
/// else's decided the group.</remarks>
internal sealed class GroupFinishing(TableParts parts, ClaimFacts facts, Endings endings)
{
    /// <summary>What whoever meets a member does: a group whose thread still pushes is ended, a
    /// sealed one is helped.</summary>
    public void Finish(ClaimGroup group, long now)
    {
        ClaimWord word = group.Word;
        if (word.Stage == ClaimStage.Pending && !word.IsSeated)
        {
            endings.TryEndGroup(group, word, ClaimEnd.Withdrawn, now);
        }
        else
        {
            FinishSealed(group, now);
        }
    }

    /// <summary>What whoever made the group does once all members top their owners.</summary>
    public ClaimWord FinishOwn(ClaimGroup group, long now)
    {
        if (!facts.Confirms)
        {
            TakeEffect(group, group.Word, now);
        }
        else
        {
            group.TrySeal();   // fails when it is sealed, or somebody ended it
            FinishSealed(group, now);
        }

        return group.Word;
    }

    private void FinishSealed(ClaimGroup group, long now)
    {
        ClaimWord word = group.Word;
        if (word.Stage != ClaimStage.Pending || !word.IsSeated)
        {
            return;
        }

        facts.QueueTogether(group.Members);   // does nothing when they are there
        foreach (PortClaim member in group.Members)
        {
            if (member.Word.Waits)
            {
                return;
            }
        }

        TakeEffect(group, word, now);
    }

    private void TakeEffect(ClaimGroup group, ClaimWord seen, long now)
    {
        if (!group.TryTakeEffect(seen, now))
        {
            return;
        }

        if (facts.IsInBackground)
        {
            facts.QueueTogether(group.Members);   // before anybody is told
        }

        foreach (PortClaim member in group.Members)
        {
            member.LeaveGroup();
            parts.Events.TookEffect(new ClaimView(member), default);
        }
    }
}
