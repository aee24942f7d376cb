namespace ManagementDaemon.Workers;

/// <summary>A worker did not come up or did not go down as it should; the message says which and
/// how.</summary>
#pragma warning disable CA1032 // the standard constructors would make one without a reason
internal sealed class WorkerFailedException(string message) : Exception(message);
