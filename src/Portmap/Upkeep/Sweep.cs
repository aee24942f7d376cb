using Portmap.Operations;
using Portmap.Table;

namespace Portmap.Upkeep;

/// <summary>Ends the registrations of sessions that are over. Lookups have stopped for them
/// already; this frees the ports.</summary>
/// <remarks>Any thread may ask for one. Who finds one under way leaves a note, so that thousands of
/// processes that die at once cost two sweeps and not thousands.</remarks>
internal sealed class Sweep(RegistryParts parts)
{
    private int _isWanted;
    private int _isUnderWay;

    public void Run()
    {
        Hook.At(Step.NoteSweep);
        Volatile.Write(ref _isWanted, 1);
        Hook.At(Step.BeginSweep);
        while (Volatile.Read(ref _isWanted) != 0 && Interlocked.Exchange(ref _isUnderWay, 1) == 0)
        {
            Interlocked.Exchange(ref _isWanted, 0);   // a full fence before the owners are read: of who moves a session and then leaves a note, the move is seen or the note stays
            try
            {
                RunNow();
            }
            finally
            {
                Hook.At(Step.EndSweep);
                Interlocked.Exchange(ref _isUnderWay, 0);   // a full fence: a note left before it is seen by the next look
            }
        }
    }

    /// <summary>As <see cref="Run"/>, without asking whether one is under way: it may be of a
    /// suspended thread.</summary>
    public void RunNow()
    {
        long now = parts.NowMs;
        foreach (OwnerView owner in parts.Table.Owners())
        {
            if (owner.Served.Holder is { IsOver: true } holder)
            {
                parts.Table.TryEnd(owner.Served, holder.EndCause, now);
            }
        }
    }
}
