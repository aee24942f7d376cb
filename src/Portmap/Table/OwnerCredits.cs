namespace Portmap.Table;

/// <summary>Bounds the number of live owners exactly without one counter that everybody
/// writes.</summary>
/// <remarks> The credits of all stripes and the live owners always sum up to the maximum. A stripe
/// that has none takes from the others. Progress: TryTake is lock-free, Return is wait-free.
/// </remarks>
internal sealed class OwnerCredits
{
    private readonly Stripes _stripes;

    public OwnerCredits(int maximum, int processors)
    {
        Maximum = maximum;
        _stripes = new Stripes(processors);
        for (int i = 0; i < _stripes.Count; i++)
        {
            _stripes[i] = (maximum / _stripes.Count) + (i < maximum % _stripes.Count ? 1 : 0);
        }
    }

    public int Maximum { get; }

    /// <summary>Credits not in use; exact when nothing else runs.</summary>
    public int EstimatedFree
    {
        get
        {
            long sum = 0;
            for (int i = 0; i < _stripes.Count; i++)
            {
                sum += Volatile.Read(ref _stripes[i]);
            }

            return (int)sum;
        }
    }

    public bool TryTake()
    {
        int own = _stripes.Current;
        do
        {
            for (int i = 0; i < _stripes.Count; i++)
            {
                ref long stripe = ref _stripes[(own + i) & (_stripes.Count - 1)];
                for (long credits = Volatile.Read(ref stripe); credits > 0; credits = Volatile.Read(ref stripe))
                {
                    Hook.At(Step.TakeCredit);
                    if (Interlocked.CompareExchange(ref stripe, credits - 1, credits) == credits)
                    {
                        return true;
                    }
                }
            }
        }
        while (EstimatedFree > 0);   // one came back to a stripe that was passed already

        return false;
    }

    public void Return()
    {
        Hook.At(Step.ReturnCredit);
        Interlocked.Increment(ref _stripes[_stripes.Current]);
    }
}
