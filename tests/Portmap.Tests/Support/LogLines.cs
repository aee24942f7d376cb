using Microsoft.Extensions.Logging;

namespace Portmap.Tests.Support;

/// <summary>What a registry logged.</summary>
internal sealed class LogLines : LogList, ILogger<PortRegistry>;
