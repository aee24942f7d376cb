namespace Portmap.Concurrency.Tests.Audit;

/// <summary>What a history says of one claim: it has begun (again, when it went from lease to
/// registration) or has ended.</summary>
internal readonly record struct HistoryEvent(bool Ended, string Owner, long Epoch, string What, PortProtocol Protocol = PortProtocol.Tcp);
