namespace Portmap.Table;

/// <summary>A registration that may be over.</summary>
/// <param name="Epoch">Its epoch.</param>
/// <param name="Origin">The epoch it goes back to.</param>
/// <param name="Port">Its port.</param>
internal readonly record struct LastRegistration(long Epoch, long Origin, int Port)
{
    /// <inheritdoc cref="PortClaim.IsOf"/>
    public bool IsOf(long epoch) => epoch == Epoch || epoch == Origin;
}
