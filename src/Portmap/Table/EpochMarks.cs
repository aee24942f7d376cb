namespace Portmap.Table;

/// <summary>The highest epoch of each owner that has gone, in a place that names share.</summary>
/// <remarks>A mark may be too high, and never too low. Progress: lock-free.</remarks>
internal sealed class EpochMarks
{
    private const int Count = 4_096;

    private readonly long[] _marks = new long[Count];

    /// <summary>An epoch that no claim of an owner without a cell has outrun.</summary>
    public long Of(int hash) => Volatile.Read(ref _marks[hash & (Count - 1)]);

    /// <summary>Raises the mark of an owner. A CAS, so that none of two is lost.</summary>
    public void Raise(int hash, long epoch)
    {
        ref long mark = ref _marks[hash & (Count - 1)];
        for (long seen = Volatile.Read(ref mark); seen < epoch; seen = Volatile.Read(ref mark))
        {
            Hook.At(Step.RaiseMark);
            if (Interlocked.CompareExchange(ref mark, epoch, seen) == seen)
            {
                return;
            }
        }
    }
}
