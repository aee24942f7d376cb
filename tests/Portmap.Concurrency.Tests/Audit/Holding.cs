namespace Portmap.Concurrency.Tests.Audit;

/// <summary>One claim that is held: an open lease (<see cref="Process"/> is 0) or a
/// registration.</summary>
internal readonly record struct Holding(string Owner, int Port, long Epoch, int Process, PortProtocol Protocol = PortProtocol.Tcp)
{
    public bool IsBound => Process != 0;
}
