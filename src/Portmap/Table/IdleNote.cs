namespace Portmap.Table;

/// <summary>Whether a walk over the owners can find one that is idle.</summary>
/// <remarks>
/// <list type="bullet">
/// <item>I1. It is set after the CAS that ends a claim, a full fence, and taken by one before a
/// walk: so a cell that the walk passed before it was idle is noted after the note was
/// taken.</item>
/// <item>I2. Who takes the note counts as walking from before that until it is through, so that
/// nobody relies on a thread that was suspended.</item>
/// </list>
/// Progress: wait-free.
/// </remarks>
internal sealed class IdleNote
{
    private int _isSet;
    private int _walks;

    /// <summary>Whether somebody took the note and is not through.</summary>
    public bool IsWalkUnderWay => Volatile.Read(ref _walks) != 0;

    public void Note()
    {
        Hook.At(Step.NoteIdle);
        if (Volatile.Read(ref _isSet) == 0)
        {
            Volatile.Write(ref _isSet, 1);   // not each time: all threads read it
        }
    }

    /// <summary>Takes the note, for a walk that ends with <see cref="End"/>; false when there is
    /// none.</summary>
    public bool TryBegin()
    {
        Interlocked.Increment(ref _walks);   // before the note is taken (I2)
        Hook.At(Step.BeginWalk);
        if (Interlocked.Exchange(ref _isSet, 0) != 0)
        {
            return true;
        }

        End();
        return false;
    }

    public void End()
    {
        Hook.At(Step.EndWalk);
        Interlocked.Decrement(ref _walks);
    }
}
