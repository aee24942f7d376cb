namespace Portmap.Table;

/// <summary>Draws epochs: unique, and higher than any epoch the caller names.</summary>
/// <remarks>
/// <code>
///   _nextBlock ──► blocks of 16,384 numbers     stripe: the next number of the block this processor draws from; a multiple of 16,384: none left
/// </code>
/// Numbers go up by 16. The 15 below a lease's epoch stay free for processes that sign in under the same owner without an epoch while the lease is
/// open (<see cref="PortClaim.DrawBelow"/>): such a claim ranks below the lease, which must still be able to replace it.
/// <list type="bullet">
/// <item>I1. A block is given to one stripe only (Interlocked.Add), a number of it to one caller only (CAS of the stripe).</item>
/// <item>I2. Callers name the highest epoch they know: that of the owner's claims while it has any, and that of the last claim on the port. A new block lies above every number drawn before it was taken, so a caller that names a number is answered with a higher one.</item>
/// </list>
/// Progress: lock-free.
/// </remarks>
internal sealed class EpochSource
{
    /// <summary>How far apart drawn numbers are.</summary>
    public const int Step = 16;

    private const int Block = 16_384;

    private readonly Stripes _stripes;
    private long _nextBlock;

    /// <param name="first">The first epoch, a multiple of 16,384; lower ones are of an earlier run.</param>
    /// <param name="processors">How many threads draw at once.</param>
    public EpochSource(long first, int processors)
    {
        First = first;
        _nextBlock = first;
        _stripes = new Stripes(processors);
    }

    public long First { get; }

    public long Next(long after)
    {
        ref long stripe = ref _stripes[_stripes.Current];
        while (true)
        {
            long next = Volatile.Read(ref stripe);
            long drawn = next;
            if ((next & (Block - 1)) == 0 || next <= after)
            {
                Hook.At(Table.Step.DrawBlock);
                drawn = Interlocked.Add(ref _nextBlock, Block) - Block + Step;
            }

            // Takes the number for this caller; pairs with the same CAS of others on the stripe.
            Hook.At(Table.Step.DrawEpoch);
            if (Interlocked.CompareExchange(ref stripe, drawn + Step, next) == next)
            {
                return drawn;
            }
        }
    }
}
